"""A year of renewals on this machine: fifty contracts, and what people do about them.

`stories` says what happens to a contract, `portfolio` draws who has which story, `people` act at
the systems, and `company` lives through the year. `revenue` holds what the contracts come to
against what moved, and `outcome` reads from the systems what came of it.
"""
