-- Times are whole Unix seconds.
SELECT 1;
