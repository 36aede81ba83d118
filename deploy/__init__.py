"""Files that set up an installation.

rabbitmq-definitions.json   the broker's users and their least rights; no passwords in it
definitions.py              fills in passwords, prefix and virtual host
rabbitmq.conf, role.sql     what docker-compose.yml gives the broker and the database
environment.py              `make compose-env`: a .env with new random passwords
"""
