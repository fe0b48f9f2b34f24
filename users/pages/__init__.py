"""The HTML door: parse, call one service, show. Works without JavaScript; with it, it is quicker."""
