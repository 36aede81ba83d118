"""A broker and a database for development: tests, the demo, `make run` and benchmarks. Not part of what is shipped.

broker.py, postgres.py      what callers use: `with broker() as b`, `with postgres() as p`
service.py                  what both hand out: an address, and control over a server that was started here
rabbitmq_node.py, kept.py   how a private RabbitMQ node is set up, and how it is kept
postgres_cluster.py         how a private PostgreSQL cluster is set up
program.py, container.py    a server as a program, a server as a container
guard.py, guard_process.py  end what was started, even when its starter dies
apt.py, engine.py, pull.py  Debian packages, the Docker engine, images
app_process.py              programs of ours as processes: their environment, address, readiness and end
ports.py, processes.py, folders.py, settings.py, report.py, errors.py   small tools
"""
