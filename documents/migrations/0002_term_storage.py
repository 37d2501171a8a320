import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """How passages' terms lie on disk, for search to be quick.

    The term index takes no pending list: a search would read it from end to end until the next
    vacuum. Statistics are written whole, and found by both columns. Term weights stay in the row, where scoring a candidate needs no second read.
    """

    dependencies = [("documents", "0001_initial")]

    operations = [
        migrations.RemoveIndex(model_name="chunk", name="chunk_term_vector_gin"),
        migrations.AddIndex(
            model_name="chunk",
            index=django.contrib.postgres.indexes.GinIndex(
                fastupdate=False, fields=["term_vector"], name="chunk_term_vector_gin"
            ),
        ),
        migrations.AlterField(
            model_name="termstatistic",
            name="generation",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="term_statistics",
                to="documents.indexgeneration",
            ),
        ),
        migrations.AlterField(
            model_name="termstatistic",
            name="term",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="documents.term",
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE documents_chunk ALTER COLUMN term_weights SET STORAGE MAIN",
            "ALTER TABLE documents_chunk ALTER COLUMN term_weights SET STORAGE EXTENDED",
        ),
    ]
