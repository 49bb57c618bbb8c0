"""Bytes -> tensors, networks and data. No framework is imported and nothing that a file says is executed."""

from refsnn.formats.data import Data as Data
from refsnn.formats.data import load_data as load_data
from refsnn.formats.limits import Limits as Limits
from refsnn.formats.load_report import LoadReport as LoadReport
from refsnn.formats.loading import Loaded as Loaded
from refsnn.formats.loading import load as load
from refsnn.formats.loading import load_with_report as load_with_report
from refsnn.formats.model_file import ModelFile as ModelFile
from refsnn.formats.opening import open_model as open_model
from refsnn.formats.spec_schema import network_schema as network_schema
from refsnn.formats.spec_writing import dump as dump
