-- The application's role and database, at every start: the role owns its database, since revisions make tables, and is
-- nothing more. Run by the superuser, who is not the application.
\set ON_ERROR_STOP on
\getenv password DATABASE_PASSWORD
SELECT 'CREATE ROLE contacts' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'contacts') \gexec
ALTER ROLE contacts LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
SELECT 'CREATE DATABASE contacts OWNER contacts' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'contacts') \gexec
REVOKE ALL ON DATABASE contacts FROM PUBLIC;
