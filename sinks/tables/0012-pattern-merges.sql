-- The pattern that has taken this one's place, and whose text is the text of its lines; empty: it stands for itself.
ALTER TABLE log_patterns ADD COLUMN IF NOT EXISTS merged_into String;
