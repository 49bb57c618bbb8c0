"""Bytes -> tensors, networks and data. No framework is imported and nothing that a file says is executed."""

from refsnn.formats.data import Data as Data
from refsnn.formats.data import load_data as load_data
from refsnn.formats.limits import Limits as Limits
from refsnn.formats.model_file import ModelFile as ModelFile
from refsnn.formats.network_spec import dump as dump
from refsnn.formats.network_spec import load as load
from refsnn.formats.network_spec import network_schema as network_schema
from refsnn.formats.opening import open_model as open_model
