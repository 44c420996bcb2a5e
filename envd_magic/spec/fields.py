"""The one table of ImageSpec's fields.

Whatever needs to know the fields reads it here: validation, the form, completion, help, masking
and the docs. The fields are those of flytekit 1.16's ``ImageSpec``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.spec import checks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envd_magic.spec.problems import Problem

    Check = Callable[[str, Any], Iterator[Problem]]


@dataclass(frozen=True)
class Field:
    """One field of an ImageSpec.

    Parameters
    ----------
    name
        As ImageSpec spells it.
    kind
        What the value is: "text", "list", "mapping", "path", "image", "choice" or "pairs".
    help
        One sentence for the person who fills it in.
    fate
        What becomes of it, in words.
    check
        Yields what is wrong with a value that is not None.
    group
        Where a form shows it.
    secret
        True if the whole value is secret wherever it is shown (file contents are never shown).
    """

    name: str
    kind: str
    help: str
    fate: str
    check: Check
    group: str = "More"
    secret: bool = False

    @property
    def label(self) -> str:
        """What a form calls it."""
        words = self.name.replace("_", " ")
        return _LABELS.get(self.name, words[0].upper() + words[1:])

    @property
    def description(self) -> str:
        """Help over a few lines, for whoever asks for it in an editor."""
        title = f"{self.name}: {self.kind} (field of ImageSpec)"
        return f"{title}\n\n{self.help}\n\nIn the build: {self.fate}."


# Labels that are not the name with a capital.
_LABELS = {"env": "Environment variables", "cuda": "CUDA", "cudnn": "cuDNN"}
_RUN = "installed by a step of the build"

FIELDS: tuple[Field, ...] = (
    Field("name", "text", "Name of the image.", "part of the tag", checks.image_name, "Image"),
    Field(
        "registry",
        "text",
        "Registry to push to, with a path if it needs one; none keeps the image local.",
        "part of the tag; the image is pushed there",
        checks.text,
        "Image",
    ),
    Field(
        "tag_format",
        "text",
        "Form of the tag, with {spec_hash} for the hash of the spec.",
        "part of the tag",
        checks.tag_format,
        "Image",
    ),
    Field(
        "platform",
        "text",
        "Platforms to build for, with commas between them.",
        "one envd build for each",
        checks.platforms,
        "Image",
    ),
    Field(
        "base_image",
        "image",
        "Image to start from: a name, or another ImageSpec, which is built first.",
        "base() in build.envd",
        checks.image,
        "Image",
    ),
    Field(
        "python_version",
        "text",
        "Python to install in an environment of its own; none, or its own, keeps the base image's.",
        "install.python() in build.envd, unless the base image has that version",
        checks.python_version,
        "Python",
    ),
    Field(
        "packages",
        "list",
        "Python packages, one requirement an item.",
        _RUN,
        checks.packages,
        "Python",
    ),
    Field(
        "requirements",
        "path",
        "A requirements file; the files that it names go along.",
        _RUN,
        checks.existing_file,
        "Python",
    ),
    Field(
        "conda_packages",
        "list",
        "Conda packages.",
        "install.conda_packages() in build.envd",
        checks.conda_packages,
        "Conda",
    ),
    Field(
        "conda_channels",
        "list",
        "Conda channels to take packages from.",
        "install.conda_packages(channel=) in build.envd",
        checks.conda_channels,
        "Conda",
    ),
    Field(
        "apt_packages",
        "list",
        "Debian packages, with =version if wanted.",
        "install.apt_packages() in build.envd",
        checks.apt_packages,
        "System",
    ),
    Field(
        "cuda",
        "text",
        "CUDA version; needs python_version, and takes the base image's place.",
        "install.cuda() in build.envd",
        checks.cuda_version,
        "System",
    ),
    Field(
        "cudnn",
        "text",
        "cuDNN version, beside cuda.",
        "install.cuda(cudnn=) in build.envd",
        checks.cuda_version,
        "System",
    ),
    Field(
        "env",
        "mapping",
        "Environment variables of the image.",
        "set in the image after the build; seen by the commands",
        checks.env,
        "System",
    ),
    Field(
        "pip_index",
        "text",
        "Package index to take in place of the base image's.",
        "given to the installer for its step only",
        checks.index,
        "Python",
    ),
    Field(
        "pip_extra_index_url",
        "list",
        "Package indexes to look in as well.",
        "given to the installer for its step only",
        checks.indexes,
        "Python",
    ),
    Field(
        "pip_extra_args",
        "text",
        "Further arguments of pip install.",
        "given to the installer",
        checks.text,
        "Python",
    ),
    Field(
        "pip_secret_mounts",
        "pairs",
        "Files that the installer may read and that do not stay: (source, target).",
        "mounted for the install step only",
        checks.secret_mounts,
        "Python",
    ),
    Field(
        "registry_config",
        "path",
        "JSON file with the TLS settings of registries, for envd bootstrap.",
        "envd bootstrap --registry-config",
        checks.registry_config,
        "Image",
    ),
    Field(
        "entrypoint",
        "list",
        "Entrypoint of the image; [] removes the base image's, none keeps it.",
        "set in the image after the build",
        checks.texts,
        "System",
    ),
    Field(
        "commands",
        "list",
        "Shell commands, run in order in one bash after all else.",
        "run() in build.envd",
        checks.texts,
        "System",
    ),
    Field(
        "source_root",
        "path",
        "Folder of source code to copy to /root.",
        "io.copy() in build.envd",
        checks.existing_folder,
        "Files",
    ),
    Field(
        "source_copy_mode",
        "choice",
        "What of source_root is copied: ALL, LOADED_MODULES or NO_COPY.",
        "io.copy() in build.envd",
        lambda _field, _value: iter(()),
        "Files",
    ),
    Field(
        "copy",
        "list",
        "Files and folders to copy to the same place below /root.",
        "io.copy() in build.envd",
        checks.copied_paths,
        "Files",
    ),
    Field(
        "builder",
        "text",
        "Which flytekit builder builds it; here it is always envd.",
        "read by flytekit",
        checks.text,
    ),
    Field(
        "python_exec",
        "text",
        "Path of the Python to install for; the envd builder does not support it.",
        "refused",
        checks.text,
    ),
    Field(
        "runtime_packages",
        "list",
        "Packages that flytekit installs when a task starts; they are not in the image.",
        "read by flytekit when the task starts",
        checks.packages,
    ),
    Field(
        "builder_options",
        "mapping",
        'Options of this builder: {"installer": "uv"} (the default) or "pip".',
        "read by the recipe",
        checks.builder_options,
    ),
    Field(
        "builder_config",
        "mapping",
        "Options of flytekit's default builder; envd has no use for them.",
        "warned about",
        checks.mapping,
    ),
)

BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
