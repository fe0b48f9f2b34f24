"""Idiomatic Django REST framework: a query for the user, a ModelSerializer, get_or_create to register."""

import secrets
import uuid

import jwt
from django.conf import settings
from django.urls import path
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.generics import RetrieveAPIView
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.baselines.models import OneTimeCode, User, draw_invite_code, user_of


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request):
        user = user_of(request)
        if user is None:
            raise AuthenticationFailed
        return user, None


class ProfileSerializer(serializers.ModelSerializer):
    activated_invite_code = serializers.CharField(source="inviter.invite_code", default=None)
    refs = serializers.SerializerMethodField()
    refs_count = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = ("id", "phone_number", "invite_code", "activated_invite_code", "refs", "refs_count")

    def get_refs(self, user) -> list[str]:
        return [person.phone_number for person in user.invited.order_by("-joined_at")[:100]]

    def get_refs_count(self, user) -> int:
        return user.invited.count()


class PhoneSerializer(serializers.Serializer):
    phone_number = serializers.RegexField(r"^\+[1-9][0-9]{6,14}$")


class CodeSerializer(PhoneSerializer):
    otp = serializers.RegexField(r"^[0-9]{4}$")


class Me(RetrieveAPIView):
    authentication_classes = (TokenAuthentication,)
    serializer_class = ProfileSerializer

    def get_object(self):
        return self.request.user


class SendCode(APIView):
    authentication_classes = ()

    def post(self, request):
        given = PhoneSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        phone, code = given.validated_data["phone_number"], f"{secrets.randbelow(10_000):04}"
        OneTimeCode.objects.update_or_create(phone_number=phone, defaults={"code": code})
        return Response({"phone_number": phone, "otp": code})


class Verify(APIView):
    authentication_classes = ()

    def post(self, request):
        given = CodeSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        phone, code = given.validated_data["phone_number"], given.validated_data["otp"]
        sent = OneTimeCode.objects.filter(phone_number=phone, code=code).first()
        if sent is None:
            raise ValidationError("wrong code")
        sent.delete()
        defaults = {"id": uuid.uuid4(), "invite_code": draw_invite_code()}
        user, is_new = User.objects.get_or_create(phone_number=phone, defaults=defaults)
        token = jwt.encode({"sub": str(user.id)}, settings.SECRET_KEY, algorithm="HS256")
        return Response({"phone_number": phone, "token": token, "is_new_user": is_new})


urlpatterns = [path("me/", Me.as_view()), path("send_otp/", SendCode.as_view()), path("auth/", Verify.as_view())]
