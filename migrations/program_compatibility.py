"""What revisions declare: `oldest_program`, the oldest revision whose programs run on the schema that they leave."""

from collections.abc import Sequence

from alembic.script import ScriptDirectory


def programs_on(script: ScriptDirectory, revision: str | None) -> Sequence[str]:
    """Returns the revisions whose programs run on a schema of this revision, the oldest first.

    A revision that declares nothing runs only its own programs. A program older than what any revision up to this one
    declares does not run.
    """
    if revision is None:
        return []
    chain = list(script.iterate_revisions(revision, "base"))[::-1]
    names = [each.revision for each in chain]
    oldest = [getattr(each.module, "oldest_program", each.revision) for each in chain]
    return names[max(map(names.index, oldest)) :]
