"""The services and the settings of the application that is at work.

This module imports nothing that takes long to load: the modules of the commands import it for `flask --help`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, current_app

if TYPE_CHECKING:
    from chatbot.config import Settings
    from chatbot.services import Services


def services(app: Flask | None = None) -> Services:
    """The services of an application, or of the one whose context is entered."""
    found: Services = (current_app if app is None else app).extensions["services"]
    return found


def settings() -> Settings:
    """The settings of the application whose context is entered."""
    return services().settings
