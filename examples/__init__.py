"""Real clients of the public contract, and the two programs that show everything working.

bot.py          publishes submissions and hears their outcomes
subscriber.py   hears the events of `assignments`
admin.py        sets up operators, sources and weights over HTTP, and reads; admin_cli.py its commands
shapes.py       what the HTTP API answers; numbers.py reads and shows it with every digit
options.py      options that the bot and the subscriber share

These know the contract alone, and borrow distribution/terminal.py to print what comes from outside; copy them to start
your own. The rest runs them:

demo.py         `make demo`: scenario.py (what is done), act.py (doing it), feed.py (events on the screen),
                outcome.py (do the sums hold), tables.py (the table at the end)
run.py          `make run`: the services in the foreground, wishes.py (what its environment asks for),
                kept.py (what stays until the next run)
stack.py, children.py, interruption.py, cleanup.py   starting the services, and leaving nothing behind
"""
