from django.urls import path

from users.rest import service

urlpatterns = [
    path("users/find/", service.Find.as_view(), name="service_find"),
    path("users/<str:user_id>/", service.Member.as_view(), name="service_member"),
    path("users/<str:user_id>/refs/", service.MemberRefs.as_view(), name="service_member_refs"),
    path("users/<str:user_id>/disable/", service.Disable.as_view(), name="service_disable"),
    path("users/<str:user_id>/enable/", service.Enable.as_view(), name="service_enable"),
    path("introspect/", service.Introspect.as_view(), name="service_introspect"),
    path("events/", service.Events.as_view(), name="service_events"),
]
