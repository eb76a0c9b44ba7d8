"""How good a task's model is on labelled data, beside baselines and the figures of the paper."""

from model.sapiens.evaluation.baselines import mean_predictor, untrained
from model.sapiens.evaluation.evaluate import evaluate, figures_of
from model.sapiens.evaluation.figures import SapiensFigure, SapiensFigures
from model.sapiens.evaluation.paper import PaperTable, paper_tables

__all__ = [
    "PaperTable",
    "SapiensFigure",
    "SapiensFigures",
    "evaluate",
    "figures_of",
    "mean_predictor",
    "paper_tables",
    "untrained",
]
