"""The pages: what each shows, as values for its template."""
