"""Stock graphene-django: a DjangoObjectType, GraphQLView, a query for the user."""

import graphene
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from graphene_django import DjangoObjectType
from graphene_django.views import GraphQLView

from bench.baselines import models


class User(DjangoObjectType):
    activated_invite_code = graphene.String()
    referrals = graphene.NonNull(graphene.List(graphene.NonNull(graphene.String)))

    class Meta:
        model = models.User
        fields = ("id", "phone_number", "invite_code")

    def resolve_activated_invite_code(self, info):
        return self.inviter.invite_code if self.inviter else None

    def resolve_referrals(self, info):
        return [person.phone_number for person in self.invited.order_by("-joined_at")[:100]]


class Query(graphene.ObjectType):
    me = graphene.Field(User)

    def resolve_me(self, info):
        return models.user_of(info.context)


schema = graphene.Schema(query=Query)
urlpatterns = [path("graphql/", csrf_exempt(GraphQLView.as_view(schema=schema)))]
