"""A broker and a database for development: tests, the demo, `make run` and benchmarks. Not part of what is shipped.

broker.py, postgres.py      what callers use: `with broker() as b`, `with postgres() as p`
service.py                  what both hand out: an address, and control over a server that was started here
rabbitmq_node.py            how a private RabbitMQ node is set up
persistent_node.py          one that keeps its data between runs
postgres_cluster.py         how a private PostgreSQL cluster is set up
server_process.py, container.py   a server as a program, a server as a container
guard.py, guard_process.py  end what was started, even when its starter dies
apt.py, docker_engine.py, pull.py  Debian packages, the Docker engine, images
app_process.py              programs of ours as processes: their environment, address, readiness and end
ports.py, processes.py, folders.py, settings.py, progress.py, errors.py   small tools
"""
