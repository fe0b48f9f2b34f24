"""What a first sign-in writes: no indexes that nothing reads, no write-ahead log for a demo's messages."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('users', '0006_failed_challenges'),
    ]

    operations = [
        migrations.AlterField(
            model_name='user',
            name='invite_code',
            field=models.CharField(editable=False, max_length=6, verbose_name='invite code'),
        ),
        migrations.AlterField(
            model_name='user',
            name='phone',
            field=models.CharField(help_text='E.164, such as +79136740000', max_length=16, null=True, verbose_name='phone'),
        ),
        migrations.AlterField(
            model_name='user',
            name='phone_key',
            field=models.CharField(editable=False, max_length=32, null=True),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(condition=models.Q(('phone_key__isnull', False)), fields=['phone_key'], name='user_who_left'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(fields=('phone',), name='user_phone_is_theirs_alone'),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(fields=('invite_code',), name='user_invite_code_is_theirs_alone'),
        ),
        migrations.RunSQL("ALTER TABLE users_message SET UNLOGGED", "ALTER TABLE users_message SET LOGGED"),
    ]
