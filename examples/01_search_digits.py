"""Search a network for scikit-learn's digits, retrain the best one, and export it.

The same on the command line:

    nasturtium search digits --trials 24 --recipe epochs=6 --constraint "params<50k"
    nasturtium finish study.db --recipe epochs=60 --export digits.onnx
"""

import os
import tempfile
from pathlib import Path

import nasturtium as nas

SMOKE = "NASTURTIUM_SMOKE" in os.environ  # seconds instead of minutes
folder = Path(tempfile.mkdtemp() if SMOKE else ".")

study = nas.search(
    "digits",
    constraints=("params<50k",),
    trials=2 if SMOKE else 24,
    recipe="epochs=1" if SMOKE else "epochs=6",
    executor="here" if SMOKE else None,  # None: measured on all cores
    numerics="threads=1" if SMOKE else None,
    store=folder / "study.db",
)
best = study.best
print(f"trial {best.number}: validation accuracy {best.metrics['accuracy']:.4f}")
for name, value in best.architecture.items():
    print(f"  {name} = {value}")

retrained = nas.retrain(study, recipe="epochs=1" if SMOKE else "epochs=60")
print(
    f"test accuracy {retrained.metrics['accuracy']:.4f}, {retrained.metrics['params']:,.0f} params"
)

file = retrained.export(folder / ("digits.pt2" if SMOKE else "digits.onnx"))
print(f"{file.path}: {file.bytes:,} bytes, differs by {file.difference:.0e} from the network")
