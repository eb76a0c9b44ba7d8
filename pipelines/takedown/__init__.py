"""Taking down: what is removed on request leaves a build folder, and every later build of it."""
