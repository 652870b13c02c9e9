"""Service credits on this machine: customers, incidents, people who ask and decide, as stories.

`company` sells and keeps time, `scene` is what people do about one customer, `stories` what happens
to each, and `outcome` reads from the systems what came of it.
"""
