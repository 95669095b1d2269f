"""`mcp` tools: servers of the Model Context Protocol that a request names, and whose tools run during its answer.

servers.py    what a request says of them: which tools, and which of these need an approval
access.py     which servers may be reached from here: those that the operator has listed
client.py     the only file that knows the library `mcp`: sessions, their limits, what goes wrong
catalog.py    what a server lists -> tools as a model is offered them
calls.py      one call: its item, its events, its error
toolbox.py    all of this for one response
rendering.py  items of earlier answers -> what the model reads
approvals.py  which calls have been approved

What servers say is data from strangers: it is bounded, cleaned, and never more than text.
"""
