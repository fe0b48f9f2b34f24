"""For PythonAnywhere: paste it into the WSGI file that the Web tab shows, with your name for YOU."""

import os
import sys

HOME = "/home/YOU/zovi"

os.chdir(HOME)
sys.path.insert(0, HOME)

from project.wsgi import application  # noqa: E402, F401 -- found only now; configured by .env
