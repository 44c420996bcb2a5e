"""Notebooks, and what each needs: found out by hand, the distributions that an image must be given.

What those need themselves is no part of it. Each notebook runs without a network.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notebook:
    """A notebook and the truth about it.

    Parameters
    ----------
    name
        Of its file.
    needs
        Distributions, but flytekit, which each needs to be a task.
    cells
        Its code.
    """

    name: str
    needs: frozenset[str]
    cells: tuple[str, ...]


def _of(name: str, needs: str, *cells: str) -> Notebook:
    return Notebook(name, frozenset(needs.split()), cells)


#: What is installed from the index, beside what the extension needs.
PACKAGES = (
    "beautifulsoup4",
    "google-cloud-storage",
    "jupyterlab",
    "lxml",
    "matplotlib",
    "networkx",
    "openpyxl",
    "pandas",
    "pillow",
    "pyarrow",
    "python-dotenv",
    "PyYAML",
    "requests",
    "scikit-learn",
    "seaborn",
    "sympy",
    "tabulate",
    "tqdm",
)
#: Projects of the user's: installed as editable, and from version control.
EDITABLE, COMMITTED = "shop-tools", "shop-models"

NOTEBOOKS = (
    _of(
        "tables",
        "pandas numpy",
        "%load_ext envd_magic\nimport numpy as np\nimport pandas as pd",
        "frame = pd.DataFrame({'a': np.arange(3)})\nframe.describe()",
    ),
    _of(
        "training",
        "pandas scikit-learn",
        "import pandas as pd\nfrom sklearn.linear_model import LinearRegression",
        "from sklearn.model_selection import train_test_split as split",
        "%%time\nmodel = LinearRegression().fit([[0], [1]], [0, 1])",
    ),
    _of(
        "plots",
        "matplotlib seaborn pandas",
        "%matplotlib inline\nimport matplotlib.pyplot as plt, pandas as pd\nimport seaborn as sns",
        "sns.lineplot(pd.DataFrame({'x': [1, 2]}))\nplt.close()",
    ),
    _of(
        "parquet",
        "pandas pyarrow",
        "import io, pandas as pd",
        "file = io.BytesIO()\npd.DataFrame({'a': [1]}).to_parquet(file)\npd.read_parquet(file)",
    ),
    _of(
        "excel and markdown",
        "pandas openpyxl tabulate",
        "import io, pandas as pd\nframe = pd.DataFrame({'a': [1]})",
        "frame.to_excel(io.BytesIO())\nprint(frame.to_markdown())",
    ),
    _of(
        "scraping",
        "beautifulsoup4 lxml requests",
        "import requests\nfrom bs4 import BeautifulSoup",
        "session = requests.Session()\nBeautifulSoup('<p>x</p>', 'lxml').text",
    ),
    _of(
        "settings",
        "PyYAML python-dotenv",
        "import os\nimport yaml\nfrom dotenv import load_dotenv",
        "load_dotenv()\nyaml.safe_load('a: 1')",
    ),
    _of(
        "pictures",
        "pillow numpy",
        "from PIL import Image\nimport numpy as np",
        "Image.fromarray(np.zeros((2, 2), dtype='uint8')).size",
    ),
    _of(
        "cloud",
        "google-cloud-storage google-auth",
        "from google.cloud import storage",
        "from google.auth.credentials import AnonymousCredentials",
        "storage.Client('p', AnonymousCredentials()).project",
    ),
    _of(
        "late imports",
        "networkx tqdm",
        "def work():\n    import networkx as nx\n    return nx.path_graph(3)",
        "import importlib\ntqdm = importlib.import_module('tqdm')\nwork()",
    ),
    _of(
        "what may be there",
        "sympy",
        "try:\n    import cupy as xp\nexcept ImportError:\n    xp = None\nimport sympy",
        "sympy.Integer(2) + 2",
    ),
    _of(
        "for people",
        "pandas",
        "import ipywidgets\nfrom IPython.display import display\nimport pandas as pd",
        "!ls\ndisplay(pd.DataFrame())",
    ),
    _of(
        "a shop",
        "requests pandas",
        "import shop_tools\nfrom shop_models import model\nimport requests",
        "import pandas as pd\nshop_tools.__name__, model.__name__",
    ),
    _of(
        "a flow",
        "scikit-learn",
        "from flytekit import task, workflow, ImageSpec\nfrom sklearn.datasets import load_iris",
        "@task\ndef rows() -> int:\n    return len(load_iris().data)",
        "@workflow\ndef flow() -> int:\n    return rows()\nflow()",
    ),
    _of(
        "nothing but Python",
        "",
        "import json, math, pathlib, collections",
        "json.dumps({'a': math.pi})",
    ),
)
