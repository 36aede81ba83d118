"""Real clients of the public contract, and two programs that run the whole system.

bot.py          publishes submissions and receives their outcomes
subscriber.py   receives the events of `assignments`
admin.py        sets up operators, sources and weights over HTTP, and reads; admin_cli.py its commands
api_types.py    what the HTTP API returns; exact_json.py reads and prints it with every digit
options.py      options that the bot and the subscriber share

These use only the contract, and distribution/terminal.py to print what comes from outside; copy them to start
your own. The rest runs them:

demo.py         `make demo`: scenario.py (what is done), run_scenario.py (doing it), event_printer.py (events shown),
                verification.py (whether the totals match), report.py (the table at the end)
run.py          `make run`: the services in the foreground, run_environment.py (what its environment asks for),
                data_folder.py (what stays until the next run)
services.py, subprocesses.py, signals.py, cleanup.py   starting the services, and leaving nothing behind
"""
