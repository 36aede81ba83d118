"""How fast, how late, how large: measured beside the broker's ceiling and a worker as most people would write it.

workload               what is sent, and who is there to get it
candidates/            programs that do the work: ours, the ceiling, the naive ones
environment            a broker, a PostgreSQL, and one run of one contestant at a time
verification           whether a contestant did its work right
throughput             contacts per second, interleaved
latency                from a bot's publish to the event at a subscriber, by the clock
growth                 the same with much in the database, many operators, many waiting
wait_until             waiting for what sets no event
past_contacts          a database with much behind it
admin_api_process      an admin API beside a candidate
freed_place_latency    from a place freed over HTTP to the event at a subscriber
attacks                what hostile and careless parties do
latency_under_attack   honest contacts, memory and health page beside each attack
report                 tables, and JSON
"""
