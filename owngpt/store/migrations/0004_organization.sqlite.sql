-- The audit log is only ever added to.
CREATE TRIGGER audit_logs_are_not_changed BEFORE UPDATE ON audit_logs
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;

CREATE TRIGGER audit_logs_are_not_deleted BEFORE DELETE ON audit_logs
BEGIN
    SELECT RAISE(ABORT, 'the audit log is only ever added to');
END;
