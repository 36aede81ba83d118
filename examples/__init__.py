"""Real clients of the public contract, and the two programs that show everything working.

bot.py          publishes submissions and hears their outcomes
subscriber.py   hears the events of `assignments`
admin.py        sets up operators, sources and weights over HTTP, and reads; admin_cli.py its commands
api_types.py    what the HTTP API answers; exact_json.py reads and shows it with every digit
options.py      options that the bot and the subscriber share

These know the contract alone, and borrow distribution/terminal.py to print what comes from outside; copy them to start
your own. The rest runs them:

demo.py         `make demo`: scenario.py (what is done), run_scenario.py (doing it), event_feed.py (events shown),
                verification.py (do the sums hold), report.py (the table at the end)
run.py          `make run`: the services in the foreground, run_environment.py (what its environment asks for),
                data_folder.py (what stays until the next run)
services.py, subprocesses.py, signals.py, cleanup.py   starting the services, and leaving nothing behind
"""
