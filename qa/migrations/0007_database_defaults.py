# Values for processes of before that leave these out while an update is under way.

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('qa', '0006_personal_fit'),
    ]

    operations = [
        migrations.AlterField(
            model_name='answer',
            name='is_personal',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='answer',
            name='shows_neutral_order',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='answerjudgement',
            name='is_withdrawn',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='rerankerprofile',
            name='documents_per_request',
            field=models.PositiveSmallIntegerField(db_default=32, default=32, help_text='Of a server.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(1000)], verbose_name='passages in a request'),
        ),
        migrations.AlterField(
            model_name='rerankerprofile',
            name='price_note',
            field=models.TextField(blank=True, db_default='', default='', max_length=500, verbose_name='price'),
        ),
        migrations.AlterField(
            model_name='rerankerprofile',
            name='score_scale',
            field=models.CharField(blank=True, choices=[('unit', 'from 0 to 1'), ('logit', 'unbounded')], db_default='', default='', help_text='Of a server; empty takes what its dialect documents.', max_length=8, verbose_name='scores'),
        ),
        migrations.AlterField(
            model_name='rerankerprofile',
            name='wants_default',
            field=models.BooleanField(db_default=False, default=False, help_text='It takes effect when the trial says that it is fast enough.', verbose_name='use as the default'),
        ),
        migrations.AlterField(
            model_name='sentencejudgement',
            name='is_withdrawn',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='sourcejudgement',
            name='is_withdrawn',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
