"""The connection to RabbitMQ.

urls               AMQP_URL: the brokers, and in which order they are tried
tls                certificates and keys
connection         one attempt to connect with aio-pika; how a loss is noticed
supervisor         keeps one connection: reconnects, goes on to the next broker
flow_control       a broker that is alive but accepts no publications
connection_errors  readable reasons why a connection failed
topology           every exchange, queue and binding
event_log          the event stream, which a restarted broker recovers last
publish_result     the result of one attempt to publish a message
aiormq_channels    channels of aiormq, below aio-pika, for speed: no task per message
tolerant_decoding  odd message properties must not cost the connection
"""
