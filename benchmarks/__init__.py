"""How fast, how late, how large: measured beside the broker's ceiling and a worker as most developers would write it.

workload               the messages that are sent, and the operators and sources for them
candidates/            programs that do the work: ours, the ceiling, the naive ones
environment            a broker, a PostgreSQL, and one run of one candidate at a time
verification           whether a candidate did its work right
throughput             contacts per second, interleaved
latency                from a bot's publish to the event at a subscriber, by the clock
growth                 the same with a large database, many operators, many waiting contacts
wait_until             polling for conditions that set no event
past_contacts          a database full of past contacts
admin_api_process      an admin API beside a candidate
freed_place_latency    from a place freed over HTTP to the event at a subscriber
attacks                what hostile and careless clients do
latency_under_attack   honest contacts, memory and health page beside each attack
report                 tables, and JSON
"""
