"""`webbody view`: a build in the browser, served on loopback."""
