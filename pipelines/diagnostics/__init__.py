"""What a build says where a stage drops nearly all: while it runs, and at its end."""
