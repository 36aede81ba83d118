"""HTTP that slow and hostile clients cannot take from the others; both processes serve through it.

config             how uvicorn is set up here
limits             how long a client may take, how many connections there may be
protocol           one connection: uvicorn's protocol with deadlines and the checks that its parser leaves out
lingering_close    closes a connection so that the response still arrives
connections        all connections of a server: deadlines kept, room made for new ones
refusals           what is sent to a client that never becomes a request
rate_limited_log   a log line that cannot be made to flood the log
"""
