"""Options and arguments that commands share, with their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nasturtium.run.names import NAMES

__all__ = [
    "AsCommand",
    "Benchmark",
    "Budget",
    "Classes",
    "Confirm",
    "Constraints",
    "Control",
    "Data",
    "Described",
    "EstimatorName",
    "ExecutorName",
    "Export",
    "ExportPath",
    "Hours",
    "HoursOfAllRuns",
    "Inputs",
    "Int8",
    "Json",
    "Keep",
    "Lanes",
    "LoadOptions",
    "NumericsText",
    "Objectives",
    "Ordered",
    "Out",
    "Plot",
    "Quiet",
    "RaceSeconds",
    "RaceSeed",
    "RaceTrials",
    "RecipeText",
    "References",
    "Repeats",
    "ResumedTrials",
    "RetrainData",
    "RetrainRecipe",
    "RetrainSeed",
    "RetrainedTrial",
    "Saved",
    "Seed",
    "Seeds",
    "SpaceName",
    "SplitSeed",
    "Spread",
    "StoreAddress",
    "StoreName",
    "Strategies",
    "StrategyName",
    "StudyName",
    "Svg",
    "TimeLimit",
    "Top",
    "TopBest",
    "TrialNumber",
    "Trials",
    "Trust",
    "Whole",
    "WorkerCount",
    "complete_names",
]


def complete_names(kind: str) -> Any:
    """Return a function that completes the names of a kind of part, e.g. of spaces."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in NAMES[kind] if name.startswith(incomplete)]

    return complete


def _names(kind: str) -> str:
    return ", ".join(sorted(NAMES[kind]))


# -- all commands --------------------------------------------------------------------------------

StoreName = Annotated[
    str, typer.Argument(metavar="STORE[:NAME]", help="the store, and the study if it has several")
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object", metavar="")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="show no progress", metavar="")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        metavar="",
        help="run the files and modules that the study names, even if you have not searched with "
        "them in their present form",
    ),
]

# -- search and resume ---------------------------------------------------------------------------

Data = Annotated[
    str,
    typer.Argument(
        help="a name of scikit-learn's bundled sets (digits), a folder of images "
        "(train/<class>/*.png), or an .npz file"
    ),
]
LoadOptions = Annotated[
    str | None,
    typer.Option(
        help="options of the data: layout, missing, size, skip_unreadable, fractions; e.g. "
        '"skip_unreadable=True,layout=NHWC"'
    ),
]
SpaceName = Annotated[
    str,
    typer.Option(
        help=f"a space's name, or file.py:name; the names are {_names('space')}",
        autocompletion=complete_names("space"),
    ),
]
RecipeText = Annotated[
    str | None,
    typer.Option(
        help='how candidates are trained; text such as "epochs=5,optimizer=adamw" changes the '
        "default, and flip=True,crop=4 are short for augment={flip: True, crop: 4}; "
        "a space of recipes (training, randaugment(epochs=5), file.py:name) is searched "
        "together with the architecture",
        autocompletion=complete_names("recipe"),
    ),
]
StrategyName = Annotated[
    str,
    typer.Option(
        help='what proposes candidates; text such as "evolution(population=50)" gives arguments; '
        f"the names are {_names('strategy')}",
        autocompletion=complete_names("strategy"),
    ),
]
EstimatorName = Annotated[
    str,
    typer.Option(
        help="what gives the metrics: train, hardware, or your own as file.py:name",
        autocompletion=complete_names("estimator"),
    ),
]
Objectives = Annotated[
    list[str],
    typer.Option(
        "--objective",
        help="metrics to make large or small, the first decides single questions; repeat it "
        "for more: --objective accuracy --objective latency",
    ),
]
Constraints = Annotated[
    list[str],
    typer.Option(
        "--constraint",
        help='constraints to meet, e.g. "latency<5ms" or "params<50k"; repeat it for more',
    ),
]
Trials = Annotated[
    int,
    typer.Option(help="how many candidates; ones that a free count rejects are not counted"),
]
ResumedTrials = Annotated[
    int | None, typer.Option(help="another number of candidates than at the start")
]
Hours = Annotated[float | None, typer.Option(help="stop asking for candidates after so much time")]
HoursOfAllRuns = Annotated[
    float | None,
    typer.Option(help="stop asking for candidates after so much time, all runs together"),
]
Control = Annotated[
    float,
    typer.Option(
        help="uniformly drawn candidates beside the search, as a share of its trials; the "
        "strategy's own uniform draws count"
    ),
]
Confirm = Annotated[
    int | None,
    typer.Option(
        help="how many of the best candidates are trained again at the end, so that the "
        "answer has the best mean; if not given, a tenth of the trials and at most 5"
    ),
]
ExecutorName = Annotated[
    str | None, typer.Option(help='here, or "processes(workers=4)"; measured if not given')
]
StoreAddress = Annotated[
    str, typer.Option(help="where the log is kept: a path, or an SQLAlchemy URL")
]
StudyName = Annotated[
    str | None,
    typer.Option(
        help="the study's name in the store; composed of data, space and strategy if not given"
    ),
]
Seed = Annotated[
    int, typer.Option(help="all randomness of the search and of trainings is keyed by it")
]
SplitSeed = Annotated[
    int,
    typer.Option(
        help="divides off validation and test examples; studies of other seeds share the same ones"
    ),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        help="seconds after which a trial fails; without it, or with --executor here, a trial "
        "that hangs is not ended"
    ),
]
NumericsText = Annotated[
    str | None,
    typer.Option(
        help='threads, precision and memory format, e.g. "precision=bf16"; measured if not given'
    ),
]
Ordered = Annotated[
    bool,
    typer.Option(
        metavar="",
        help="log outcomes in the order of trials, which makes W workers give the same study in "
        "every run; otherwise as they come, which may leave workers less idle",
    ),
]

# -- finish, export and evidence -----------------------------------------------------------------

TrialNumber = Annotated[int | None, typer.Option(help="which trial; the study's best if not given")]
RetrainedTrial = Annotated[
    int | None,
    typer.Option(help="the network of this trial; the last retrained one if not given"),
]
RetrainRecipe = Annotated[
    str | None,
    typer.Option(
        help="how to train; the study's own recipe with four times as many epochs if not given; "
        'text such as "epochs=60" changes that recipe'
    ),
]
RetrainData = Annotated[
    str | None, typer.Option(help="the data; the study's data, read again, if not given")
]
RetrainSeed = Annotated[
    int | None, typer.Option(help="seed of weights and training; the study's if not given")
]
Whole = Annotated[
    bool,
    typer.Option(
        help="train on training and validation examples together, since no further choice depends "
        "on the validation examples",
        metavar="",
    ),
]
Keep = Annotated[
    bool,
    typer.Option(
        "--keep",
        metavar="",
        help="do not train; use the weights that the trial had in the search",
    ),
]
Export = Annotated[
    Path | None,
    typer.Option(help="write the network to this file, .onnx or .pt2, with a model card beside it"),
]
ExportPath = Annotated[
    Path, typer.Argument(help="the file, .onnx or .pt2; a model card is written beside it")
]
Int8 = Annotated[
    bool,
    typer.Option("--int8", help="also write NAME.int8.onnx with 8-bit weights", metavar=""),
]
Top = Annotated[
    int, typer.Option(min=1, help="how many networks of search and control are compared")
]
Seeds = Annotated[int, typer.Option(min=1, help="trainings of each network")]
Spread = Annotated[
    int, typer.Option(min=0, help="how many others are trained once, for the rank correlation")
]
References = Annotated[bool, typer.Option(help="also train reference networks", metavar="")]
Budget = Annotated[
    float | None, typer.Option(help="start no further training after so many seconds")
]
Saved = Annotated[
    bool,
    typer.Option("--saved", help="do not train; print the evidence that exists so far", metavar=""),
]
Out = Annotated[Path, typer.Option(help="the page; an existing one is replaced")]

# -- status, best and describe -------------------------------------------------------------------

TopBest = Annotated[int, typer.Option(min=1, help="how many, best first")]
Described = Annotated[
    str,
    typer.Argument(
        metavar="SPACE|STORE:NAME",
        help="a space's name, file.py:name, or a study",
        autocompletion=complete_names("space"),
    ),
]
AsCommand = Annotated[
    bool,
    typer.Option("--command", help="print the command that makes the same study", metavar=""),
]
Svg = Annotated[Path | None, typer.Option(help="draw a space's example into this file as well")]
Inputs = Annotated[
    str | None,
    typer.Option(help="of a space: try it on inputs of this shape, e.g. 3x32x32 or 4x64"),
]
Classes = Annotated[int | None, typer.Option(min=1, help="of a space: the number of classes")]

# -- race ----------------------------------------------------------------------------------------

Strategies = Annotated[
    list[str],
    typer.Argument(
        help='two or more, e.g. random "evolution(population=10,sample=3)"',
        autocompletion=complete_names("strategy"),
    ),
]
Benchmark = Annotated[
    str,
    typer.Option(
        help="a table under $NASTURTIUM_DATA, e.g. nasbench201(dataset='cifar100')",
        autocompletion=complete_names("benchmark"),
    ),
]
RaceTrials = Annotated[int | None, typer.Option(help="budget of each run in trials")]
RaceSeconds = Annotated[float | None, typer.Option(help="budget of each run in simulated seconds")]
Repeats = Annotated[int, typer.Option(min=2, help="number of seeds of each strategy")]
WorkerCount = Annotated[int | None, typer.Option(help="number of processes")]
Lanes = Annotated[int, typer.Option(min=1, help="number of simulated machines")]
RaceSeed = Annotated[int, typer.Option(help="determines the whole race")]
Plot = Annotated[Path | None, typer.Option(help="draw the curves into this HTML file")]
