from django.db import migrations


class Migration(migrations.Migration):
    """Mark stored passages with their generation, as ``lexicon.vector_literal`` does now."""

    dependencies = [("documents", "0002_term_storage")]

    operations = [
        migrations.RunSQL(
            "UPDATE documents_chunk"
            " SET term_vector = term_vector || array_to_tsvector(ARRAY['#' || generation_id])"
            " WHERE term_vector IS NOT NULL",
            migrations.RunSQL.noop,
        )
    ]
