"""Every group of commands, by `flask NAME`: their names, options and help, and nothing that they work with."""

from __future__ import annotations

from flask import Flask

from chatbot.auth.cli import users_cli
from chatbot.backup.cli import backup_cli
from chatbot.chat.cli import chat_cli
from chatbot.chat.gaps.cli import gaps_cli
from chatbot.knowledge.cli.documents import knowledge_cli
from chatbot.knowledge.cli.evaluation import eval_cli
from chatbot.knowledge.cli.index import index_cli
from chatbot.mail.cli import mail_cli


def add_commands(app: Flask) -> None:
    """Adds them to the application's."""
    for group in (users_cli, knowledge_cli, gaps_cli, index_cli, eval_cli, mail_cli, chat_cli, backup_cli):
        app.cli.add_command(group)
