"""Which Debian package has a header, a library or a program, and what others call its packages.

Of Debian 12; Ubuntu's names are the same. See https://packages.debian.org.
"""

from __future__ import annotations

import re

from envd_magic.diagnosis.kept.programs import PROGRAMS

COMPILER = "build-essential"
PYTHON_HEADERS = "python3-dev"
_MYSQL = "default-libmysqlclient-dev"

#: Package by header, as ``#include`` names it; a folder stands for all that is in it.
HEADERS = {
    "Python.h": PYTHON_HEADERS,
    "alsa/": "libasound2-dev",
    "archive.h": "libarchive-dev",
    "attr/xattr.h": "libattr1-dev",
    "augeas.h": "libaugeas-dev",
    "blosc.h": "libblosc-dev",
    "boost/": "libboost-all-dev",
    "brotli/": "libbrotli-dev",
    "bzlib.h": "libbz2-dev",
    "cairo.h": "libcairo2-dev",
    "cblas.h": "libopenblas-dev",
    "cups/": "libcups2-dev",
    "curl/": "libcurl4-openssl-dev",
    "dbus/": "libdbus-1-dev",
    "Eigen/": "libeigen3-dev",
    "enchant.h": "libenchant-2-dev",
    "ev.h": "libev-dev",
    "event.h": "libevent-dev",
    "expat.h": "libexpat1-dev",
    "ffi.h": "libffi-dev",
    "fftw3.h": "libfftw3-dev",
    "fluidsynth.h": "libfluidsynth-dev",
    "freetype/": "libfreetype-dev",
    "ft2build.h": "libfreetype-dev",
    "fuse.h": "libfuse-dev",
    "gdal.h": "libgdal-dev",
    "gdal_version.h": "libgdal-dev",
    "geos_c.h": "libgeos-dev",
    "gflags/": "libgflags-dev",
    "git2.h": "libgit2-dev",
    "glib.h": "libglib2.0-dev",
    "glog/": "libgoogle-glog-dev",
    "glpk.h": "libglpk-dev",
    "gmp.h": "libgmp-dev",
    "gpgme.h": "libgpgme-dev",
    "graphviz/": "libgraphviz-dev",
    "gsl/": "libgsl-dev",
    "gssapi/": "libkrb5-dev",
    "gtk/": "libgtk-3-dev",
    "hdf5.h": "libhdf5-dev",
    "igraph/": "libigraph-dev",
    "jack/": "libjack-jackd2-dev",
    "jpeglib.h": "libjpeg-dev",
    "krb5.h": "libkrb5-dev",
    "lapacke.h": "liblapacke-dev",
    "lber.h": "libldap2-dev",
    "lcms2.h": "liblcms2-dev",
    "ldap.h": "libldap2-dev",
    "leveldb/": "libleveldb-dev",
    "libaio.h": "libaio-dev",
    "libavcodec/": "libavcodec-dev",
    "libavformat/": "libavformat-dev",
    "libmemcached/": "libmemcached-dev",
    "libpq-fe.h": "libpq-dev",
    "librdkafka/": "librdkafka-dev",
    "libusb-1.0/": "libusb-1.0-0-dev",
    "libusb.h": "libusb-1.0-0-dev",
    "libvirt/": "libvirt-dev",
    "libxml/": "libxml2-dev",
    "libxslt/": "libxslt1-dev",
    "linux/": "linux-libc-dev",
    "lmdb.h": "liblmdb-dev",
    "lua.h": "liblua5.4-dev",
    "lz4.h": "liblz4-dev",
    "lzma.h": "liblzma-dev",
    "lzo/": "liblzo2-dev",
    "maxminddb.h": "libmaxminddb-dev",
    "mpc.h": "libmpc-dev",
    "mpfr.h": "libmpfr-dev",
    "mpi.h": "libopenmpi-dev",
    "mysql.h": _MYSQL,
    "mysql/": _MYSQL,
    "ncurses.h": "libncurses-dev",
    "netcdf.h": "libnetcdf-dev",
    "nlohmann/": "nlohmann-json3-dev",
    "nettle/": "nettle-dev",
    "openblas_config.h": "libopenblas-dev",
    "opencv2/": "libopencv-dev",
    "openjpeg.h": "libopenjp2-7-dev",
    "openssl/": "libssl-dev",
    "opus/": "libopus-dev",
    "pcap.h": "libpcap-dev",
    "pcap/": "libpcap-dev",
    "pcre.h": "libpcre3-dev",
    "pcre2.h": "libpcre2-dev",
    "png.h": "libpng-dev",
    "poppler/": "libpoppler-cpp-dev",
    "portaudio.h": "portaudio19-dev",
    "proj.h": "libproj-dev",
    "proj_api.h": "libproj-dev",
    "pulse/": "libpulse-dev",
    "re2/": "libre2-dev",
    "readline/": "libreadline-dev",
    "rocksdb/": "librocksdb-dev",
    "sasl/": "libsasl2-dev",
    "SDL.h": "libsdl2-dev",
    "SDL2/": "libsdl2-dev",
    "seccomp.h": "libseccomp-dev",
    "selinux/": "libselinux1-dev",
    "snappy-c.h": "libsnappy-dev",
    "snappy.h": "libsnappy-dev",
    "sndfile.h": "libsndfile1-dev",
    "sodium.h": "libsodium-dev",
    "sox.h": "libsox-dev",
    "spatialindex/": "libspatialindex-dev",
    "sql.h": "unixodbc-dev",
    "sqlext.h": "unixodbc-dev",
    "sqlite3.h": "libsqlite3-dev",
    "stdio.h": COMPILER,
    "stdlib.h": COMPILER,
    "suitesparse/": "libsuitesparse-dev",
    "systemd/": "libsystemd-dev",
    "ta-lib/": "libta-lib0-dev",
    "taglib/": "libtag1-dev",
    "tesseract/": "libtesseract-dev",
    "tcl.h": "tcl-dev",
    "tiff.h": "libtiff-dev",
    "tiffio.h": "libtiff-dev",
    "tk.h": "tk-dev",
    "uuid/": "uuid-dev",
    "webp/": "libwebp-dev",
    "X11/": "libx11-dev",
    "xmlsec/": "libxmlsec1-dev",
    "yaml.h": "libyaml-dev",
    "zlib.h": "zlib1g-dev",
    "zmq.h": "libzmq3-dev",
    "zstd.h": "libzstd-dev",
}

#: Package by library, as ``-l`` or pkg-config names it, where the usual form is not the name.
LIBRARIES = {
    "alsa": "libasound2-dev",
    "asound": "libasound2-dev",
    "avcodec": "libavcodec-dev",
    "avdevice": "libavdevice-dev",
    "avfilter": "libavfilter-dev",
    "avformat": "libavformat-dev",
    "blas": "libblas-dev",
    "bz2": "libbz2-dev",
    "cairo": "libcairo2-dev",
    "curl": "libcurl4-openssl-dev",
    "dbus-1": "libdbus-1-dev",
    "expat": "libexpat1-dev",
    "ffi": "libffi-dev",
    "flac": "libflac-dev",
    "fontconfig": "libfontconfig-dev",
    "freetype2": "libfreetype-dev",
    "gdk-pixbuf-2.0": "libgdk-pixbuf-2.0-dev",
    "geos": "libgeos-dev",
    "geos_c": "libgeos-dev",
    "girepository-1.0": "libgirepository1.0-dev",
    "girepository-2.0": "libgirepository-2.0-dev",
    "glib-2.0": "libglib2.0-dev",
    "gobject-introspection-1.0": "libgirepository1.0-dev",
    "gtk+-3.0": "libgtk-3-dev",
    "gtk4": "libgtk-4-dev",
    "hdf5": "libhdf5-dev",
    "jpeg": "libjpeg-dev",
    "krb5": "libkrb5-dev",
    "lapack": "liblapack-dev",
    "lber": "libldap2-dev",
    "lcms2": "liblcms2-dev",
    "ldap": "libldap2-dev",
    "ldap_r": "libldap2-dev",
    "libcgraph": "libgraphviz-dev",
    "libffi": "libffi-dev",
    "libpq": "libpq-dev",
    "libsystemd": "libsystemd-dev",
    "libvirt": "libvirt-dev",
    "libxml-2.0": "libxml2-dev",
    "libxslt": "libxslt1-dev",
    "libzmq": "libzmq3-dev",
    "lz4": "liblz4-dev",
    "lzma": "liblzma-dev",
    "mariadb": _MYSQL,
    "mysqlclient": _MYSQL,
    "ncurses": "libncurses-dev",
    "odbc": "unixodbc-dev",
    "openblas": "libopenblas-dev",
    "openssl": "libssl-dev",
    "pangocairo": "libpango1.0-dev",
    "png": "libpng-dev",
    "poppler-cpp": "libpoppler-cpp-dev",
    "portaudio": "portaudio19-dev",
    "pq": "libpq-dev",
    "python3": PYTHON_HEADERS,
    "python3.11": PYTHON_HEADERS,
    "readline": "libreadline-dev",
    "sasl2": "libsasl2-dev",
    "sdl2": "libsdl2-dev",
    "snappy": "libsnappy-dev",
    "sndfile": "libsndfile1-dev",
    "sqlite3": "libsqlite3-dev",
    "ssl": "libssl-dev",
    "crypto": "libssl-dev",
    "stdc++": "g++",
    "uuid": "uuid-dev",
    "xml2": "libxml2-dev",
    "xmlsec1": "libxmlsec1-dev",
    "xslt": "libxslt1-dev",
    "z": "zlib1g-dev",
    "zlib": "zlib1g-dev",
    "zmq": "libzmq3-dev",
    "zstd": "libzstd-dev",
}

#: What packages are called elsewhere, or were called before.
RENAMED = {
    "awscli2": "awscli",
    "docker": "docker.io",
    "docker-ce": "docker.io",
    "fonts-liberation2": "fonts-liberation",
    "gcc-c++": "g++",
    "golang": "golang-go",
    "gtk2": "libgtk2.0-0",
    "java": "default-jre-headless",
    "jdk": "default-jdk-headless",
    "kernel-headers": "linux-headers-generic",
    "libasound": "libasound2",
    "libatlas": "libatlas-base-dev",
    "libgl1-mesa-glx": "libgl1",
    "libgl": "libgl1",
    "libglib": "libglib2.0-0",
    "libgthread-2.0-0": "libglib2.0-0",
    "libmysqlclient-dev": _MYSQL,
    "libncurses5-dev": "libncurses-dev",
    "libpng12-dev": "libpng-dev",
    "libssl1.1": "libssl3",
    "mysql-client": "default-mysql-client",
    "mysql-server": "default-mysql-server",
    "netcat": "netcat-openbsd",
    "ninja": "ninja-build",
    "openjdk-8-jdk": "default-jdk-headless",
    "openjdk-11-jdk": "default-jdk-headless",
    "openjdk-11-jre": "default-jre-headless",
    "openssh": "openssh-client",
    "pip": "python3-pip",
    "pip3": "python3-pip",
    "postgresql-devel": "libpq-dev",
    "protoc": "protobuf-compiler",
    "python": "python3",
    "python-dev": PYTHON_HEADERS,
    "python-is-python2": "python-is-python3",
    "python-pip": "python3-pip",
    "python-setuptools": "python3-setuptools",
    "python-tk": "python3-tk",
    "python-venv": "python3-venv",
    "python2": "python3",
    "python2.7": "python3",
    "python3-distutils": "python3-setuptools",
    "rust": "rustc",
    "tesseract": "tesseract-ocr",
    "vim-enhanced": "vim",
    "xorg-x11-server-Xvfb": "xvfb",
    "zlib": "zlib1g-dev",
    "zlib-devel": "zlib1g-dev",
}
# Of packages whose names begin as nothing here does.
_COMMON = (
    "apt-transport-https build-essential ca-certificates cron dos2unix emacs fonts-dejavu gawk "
    "gettext graphviz hdf5-tools libatlas-base-dev libcudnn8 libegl1 libgdal-dev libgfortran5 "
    "libgl1 libglib2.0-0 libgomp1 libjemalloc2 libjpeg62-turbo libmagic1 libnss3 libpq5 "
    "libsm6 libsndfile1 libspatialindex-dev libstdc++6 libtcmalloc-minimal4 libtiff-dev libxext6 "
    "libxrender1 libxtst6 locales nginx ninja-build nodejs openssl postgresql python3 python3-pip "
    "python3-venv r-base screen software-properties-common supervisor tini tzdata unixodbc "
    "util-linux xauth xvfb zlib1g"
)


def header_package(header: str) -> str | None:
    """Give the package that has a header, as ``#include`` names it."""
    folder = header.partition("/")[0] + "/"
    return HEADERS.get(header) or (HEADERS.get(folder) if "/" in header else None)


def library_package(library: str) -> str | None:
    """Give the package that has a library, as ``-l`` or pkg-config names it."""
    return LIBRARIES.get(library) or LIBRARIES.get(library.lower())


def program_package(program: str) -> str | None:
    """Give the package that has a program."""
    return PROGRAMS.get(program.rpartition("/")[2])


def renamed_package(name: str) -> str | None:
    """Give what Debian calls a package of another name: an old one, or Red Hat's."""
    if found := RENAMED.get(name):
        return found
    if java := re.fullmatch(r"openjdk-\d+-(j(?:re|dk))(-headless)?", name):
        # A release of Debian has one or two of them.
        return f"default-{java[1]}{java[2] or ''}"
    stem = re.fullmatch(r"(.+)-devel", name)
    if stem is None:
        return None
    for table in (LIBRARIES, {one.removeprefix("lib"): f"{one}" for one in LIBRARIES.values()}):
        for key in (stem[1], stem[1].removeprefix("lib")):
            if key in table:
                return table[key]
    known = known_packages()
    return next((one for one in (f"lib{stem[1]}-dev", f"{stem[1]}-dev") if one in known), None)


def known_packages() -> list[str]:
    """Give the names of all packages that are known here."""
    tables = (HEADERS, LIBRARIES, PROGRAMS, RENAMED)
    return sorted({name for table in tables for name in table.values()} | {*_COMMON.split()})
