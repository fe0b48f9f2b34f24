from django.urls import path

from users.rest import views
from users.rest.me import Me

urlpatterns = [
    path("send_otp/", views.SendOTP.as_view(), name="send_otp"),
    path("auth/", views.Auth.as_view(), name="auth"),
    path("me/", Me.as_view(), name="me"),
    path("me/phone/", views.MyPhone.as_view(), name="my_phone"),
    path("me/delete/", views.DeleteMe.as_view(), name="delete_me"),
    path("me/export/", views.Export.as_view(), name="export"),
    path("me/refs/", views.Refs.as_view(), name="refs"),
    path("me/sessions/", views.Sessions.as_view(), name="sessions"),
    path("me/sessions/<str:session_id>/", views.OneSession.as_view(), name="session"),
    path("referal/", views.Referal.as_view(), name="referal"),
    path("token/refresh/", views.RefreshToken.as_view(), name="refresh"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("<str:user_id>/", views.UserProfile.as_view(), name="user_page"),
]
