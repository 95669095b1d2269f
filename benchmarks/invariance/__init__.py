"""The same answer under any load: prompts alone and in any company, compared bit for bit."""
