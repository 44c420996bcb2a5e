"""What Python packages are called: by their module, by habit, and the popular ones."""

from __future__ import annotations

import sys
from functools import cache
from importlib import resources

#: Distribution by module or habit, where the two differ and the other name is none or another's.
DISTRIBUTIONS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "bson": "pymongo",
    "camelot": "camelot-py",
    "cairo": "pycairo",
    "Crypto": "pycryptodome",
    "crypto": "pycryptodome",
    "cv": "opencv-python-headless",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "discord": "discord.py",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "editor": "python-editor",
    "fitz": "PyMuPDF",
    "flytekitplugins": "flytekit",
    "gi": "PyGObject",
    "git": "GitPython",
    "github": "PyGithub",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage",
    "google.protobuf": "protobuf",
    "igraph": "python-igraph",
    "imblearn": "imbalanced-learn",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "kafka": "kafka-python",
    "ldap": "python-ldap",
    "Levenshtein": "python-Levenshtein",
    "lightgbm_ray": "lightgbm-ray",
    "lxml.etree": "lxml",
    "magic": "python-magic",
    "MySQLdb": "mysqlclient",
    "mx": "mxnet",
    "mpl_toolkits": "matplotlib",
    "nacl": "PyNaCl",
    "odf": "odfpy",
    "OpenSSL": "pyOpenSSL",
    "opencv": "opencv-python-headless",
    "PIL": "pillow",
    "pil": "pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2-bin": "psycopg2-binary",
    "pyarow": "pyarrow",
    "pydantic_settings": "pydantic-settings",
    "pytorch": "torch",
    "pywt": "PyWavelets",
    "ruamel": "ruamel.yaml",
    "serial": "pyserial",
    "setuptools_scm": "setuptools-scm",
    "skbio": "scikit-bio",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "snowflake": "snowflake-connector-python",
    "socks": "PySocks",
    "spark": "pyspark",
    "telegram": "python-telegram-bot",
    "tensorflow-gpu": "tensorflow",
    "umap": "umap-learn",
    "usb": "pyusb",
    "wx": "wxPython",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
#: Distribution that brings a program.
PROGRAMS = {
    "black": "black",
    "celery": "celery",
    "cython": "cython",
    "dask": "dask",
    "django-admin": "django",
    "dvc": "dvc",
    "flake8": "flake8",
    "flask": "flask",
    "gunicorn": "gunicorn",
    "huggingface-cli": "huggingface-hub",
    "hf": "huggingface-hub",
    "ipython": "ipython",
    "isort": "isort",
    "jupyter": "jupyter",
    "mlflow": "mlflow",
    "mypy": "mypy",
    "nltk": "nltk",
    "papermill": "papermill",
    "pipx": "pipx",
    "poetry": "poetry",
    "pre-commit": "pre-commit",
    "pyflyte": "flytekit",
    "pyflyte-execute": "flytekit",
    "pytest": "pytest",
    "ray": "ray",
    "ruff": "ruff",
    "spacy": "spacy",
    "streamlit": "streamlit",
    "tensorboard": "tensorboard",
    "torchrun": "torch",
    "uv": "uv",
    "uvicorn": "uvicorn",
    "virtualenv": "virtualenv",
    "wandb": "wandb",
}


@cache
def popular() -> tuple[str, ...]:
    """Give the names of the packages that most people use."""
    found = resources.files(__package__).joinpath("popular.txt").read_text(encoding="utf-8")
    return tuple(found.split())


def module_distribution(module: str) -> str | None:
    """Give the distribution that has a module; None for what Python itself has, or nobody knows."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return None
    known = DISTRIBUTIONS.get(module) or DISTRIBUTIONS.get(top)
    name = top.replace("_", "-").lower()
    return known or (name if name in popular() else None)


#: Distributions of modules that Python 3.9 and later has by itself, by their normal names.
IN_PYTHON = frozenset(
    {
        "argparse",
        "asyncio",
        "backports-zoneinfo",
        "contextvars",
        "dataclasses",
        "enum34",
        "functools32",
        "futures",
        "ordereddict",
        "pathlib",
        "singledispatch",
        "statistics",
        "subprocess32",
        "typing",
        "unittest2",
        "uuid",
        "wsgiref",
    }
)
