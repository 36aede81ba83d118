"""Programs that do the work. All read AMQP_URL, BROKER_PREFIX and DATABASE_URL, and run until SIGTERM."""
