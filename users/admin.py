from django.contrib import admin

from users.models import Activation, Challenge, Session, User

admin.site.register([User, Activation, Challenge, Session])
