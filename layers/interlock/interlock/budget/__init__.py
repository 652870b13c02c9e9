"""A vendor's budget: what all functions together may ask of it, and when they leave it alone.

A connection may have a budget, as its vendor counts: so many requests in a time, or so many at
once. Every process that uses the connection shares it through one row of a DynamoDB table, which
is only ever changed by conditional updates:

- `rate` spaces requests evenly, in the order in which they were asked for;
- `concurrency` lends slots, and takes them back when their holder died;
- `breaker` stops all requests to a vendor that is down, lets one through now and then, and
  resumes when that one is answered;
- `transport` puts these around each request that is sent.

Who has to wait longer than a paid function should sleep is turned away with BudgetExhausted, and
comes back when it is likely to be served. Background work goes when nobody waits. Where DynamoDB
itself fails, requests are sent without a budget: it must never be why an order is lost.
"""
