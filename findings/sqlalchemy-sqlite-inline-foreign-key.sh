#!/usr/bin/env bash
# SQLAlchemy 2.1.9 reads ON DELETE of a SQLite foreign key only where the key is a constraint of the table. Of
# `author_id INTEGER REFERENCES authors (id) ON DELETE CASCADE` the options are lost, though PRAGMA foreign_key_list
# tells them. Alembic 1.20.1 compares what was read: it finds no difference where there is one, and one where there is
# none.
# Who is hurt: who checks migrations with `alembic check`. Rows are deleted, or kept, against what the models say, and
# a schema written by hand (or with `ALTER TABLE ... ADD COLUMN ... REFERENCES`) never becomes clean.
# In the product: migrations write constraints of the table, whose options are read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv" && "$folder/venv/bin/pip" install -qq sqlalchemy==2.1.9 alembic==1.20.1 || exit 2
"$folder/venv/bin/python" - <<'PYTHON' || { echo "CHANGED: ON DELETE of the column's foreign key is read"; exit 1; }
import sys

import alembic
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

print("SQLAlchemy", sa.__version__, "Alembic", alembic.__version__)


def compared(ondelete, definition):
    """The changes that Alembic sees between a model and a database, and what is in the database."""
    metadata = sa.MetaData()
    sa.Table("authors", metadata, sa.Column("id", sa.Integer, primary_key=True))
    key = sa.ForeignKey("authors.id", ondelete=ondelete)
    sa.Table("notes", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("author_id", sa.Integer, key))
    with sa.create_engine("sqlite://").connect() as connection:
        connection.exec_driver_sql("CREATE TABLE authors (id INTEGER NOT NULL PRIMARY KEY)")
        connection.exec_driver_sql(f"CREATE TABLE notes (id INTEGER NOT NULL PRIMARY KEY, {definition})")
        pragma = connection.exec_driver_sql("PRAGMA foreign_key_list(notes)").mappings().one()["on_delete"]
        read = sa.inspect(connection).get_foreign_keys("notes")[0]["options"]
        changes = [change[0] for change in compare_metadata(MigrationContext.configure(connection), metadata)]
    print(f"  model {ondelete}, database {pragma}: SQLAlchemy reads {read}, Alembic sees {changes}")
    return changes


inline = "author_id INTEGER REFERENCES authors (id) ON DELETE CASCADE"
of_table = "author_id INTEGER, FOREIGN KEY (author_id) REFERENCES authors (id) ON DELETE CASCADE"
print("expected, and seen for a constraint of the table: no change when equal, a change when not")
good = compared("CASCADE", of_table), compared(None, of_table)
print("seen for the foreign key of a column: a change when equal, none when not")
bad = compared("CASCADE", inline), compared(None, inline)
change = ["remove_fk", "add_fk"]
sys.exit(0 if good == ([], change) and bad == (change, []) else 1)
PYTHON
