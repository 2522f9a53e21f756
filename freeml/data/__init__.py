"""Data sets, their splits, and calibration samples."""

from freeml.data.catalogue import DataFile, Entry, catalogue, entry
from freeml.data.dataset import Dataset
from freeml.data.download import get
from freeml.data.layout import fit_inputs
from freeml.data.load import load

__all__ = ["DataFile", "Dataset", "Entry", "catalogue", "entry", "fit_inputs", "get", "load"]
