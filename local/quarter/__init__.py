"""A quarter of a small company, from won deals to the ERP's books, in virtual time.

- `plan`: who buys what, and what happens on which day, drawn from a seed
- `trade`: what people do at Stripe
- `delivery`: how its events arrive, in order or not
- `figures`: what the books must come to, from the sandbox's own totals
- `run`: a quarter in a local environment
- `outcome`: what it came to
"""
