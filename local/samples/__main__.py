"""Writes every event's file."""

from local.paths import ROOT
from local.samples import EVENTS, samples, text

for name, sample in samples().items():
    path = EVENTS / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(sample))
    print(path.relative_to(ROOT))
