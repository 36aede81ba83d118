"""A broker and a database for development: tests, the demo, `make run` and benchmarks. Not part of what is shipped.

broker.py, postgres.py      what callers use: `with broker() as b`, `with postgres() as p`
service.py                  what both return: an address, and control over a server that was started here
rabbitmq_node.py            sets up a private RabbitMQ node
persistent_node.py          a node that keeps its data between runs
postgres_cluster.py         sets up a private PostgreSQL cluster
server_process.py, container.py   a server as a program, a server as a container
guard.py, guard_process.py  end the servers, even if the process that started them dies
amqp_tools.py               finds or installs amqp-publish
apt.py, docker_engine.py, pull.py  Debian packages, the Docker engine, images
app_process.py              programs of ours as processes: their environment, address, readiness and end
ports.py, processes.py, temporary_folders.py, settings.py, progress.py, errors.py   small tools
"""
