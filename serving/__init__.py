"""An HTTP server that slow and hostile clients cannot block for others; both processes use it.

config            how uvicorn is set up here
client_limits     time limits for clients, the limit on connections
protocol          one connection: uvicorn's protocol with deadlines and the checks that its parser leaves out
lingering_close   closes a connection so that the response still arrives
connections       all connections of a server: enforces deadlines, makes room for new ones
refusals          the response to a client whose request never reaches the application
rate_limited_log  a log line that cannot flood the log
"""
