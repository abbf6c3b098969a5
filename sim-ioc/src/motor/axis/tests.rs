use super::*;

fn axis() -> Axis {
    Axis { dial_low: 0.0, dial_high: 10.0, velocity: 2.0, ..Axis::default() }
}

#[test]
fn a_move_goes_at_its_velocity_and_ends_on_the_setpoint() {
    let mut axis = axis();
    axis.set_user(4.0, 0.0).unwrap();
    assert!(axis.moving());
    axis.tick(1.0);
    assert_eq!(axis.dial_position, 2.0);
    axis.tick(2.0);
    assert_eq!((axis.dial_position, axis.moving()), (4.0, false));
}

#[test]
fn a_move_of_no_distance_is_a_move_until_the_next_tick() {
    let mut axis = axis();
    axis.set_user(0.0, 1.0).unwrap();
    axis.tick(1.0);
    assert!(axis.moving());
    axis.tick(1.05);
    assert!(!axis.moving());
}

#[test]
fn a_setpoint_outside_of_the_limits_changes_nothing() {
    let mut axis = axis();
    assert_eq!(axis.set_user(10.1, 0.0), Err(Refused::OutOfLimits));
    assert_eq!(axis.set_user(f64::NAN, 0.0), Err(Refused::NotFinite));
    assert!(!axis.moving() && axis.dial_setpoint == 0.0 && axis.limit_violation);
    axis.set_user(10.0, 0.0).unwrap();
    assert!(!axis.limit_violation);
}

#[test]
fn a_new_setpoint_takes_over_in_the_middle_of_a_move() {
    let mut axis = axis();
    axis.set_user(10.0, 0.0).unwrap();
    axis.set_user(0.0, 2.0).unwrap();
    assert_eq!(axis.dial_position, 4.0);
    axis.tick(3.0);
    assert_eq!((axis.dial_position, axis.raised), (2.0, false));
    axis.tick(4.0);
    assert_eq!((axis.dial_position, axis.moving()), (0.0, false));
}

#[test]
fn stop_ends_where_the_axis_is() {
    let mut axis = axis();
    axis.set_user(10.0, 0.0).unwrap();
    axis.stop(1.0);
    assert!(axis.moving(), "comes to rest a moment later");
    axis.tick(1.1);
    assert_eq!((axis.dial_position, axis.dial_setpoint, axis.moving()), (2.0, 2.0, false));
}

#[test]
fn pause_keeps_the_setpoint_and_go_resumes_it() {
    let mut axis = axis();
    axis.set_user(10.0, 0.0).unwrap();
    axis.permit(Permission::Pause, 1.0);
    axis.tick(9.0);
    assert_eq!((axis.dial_position, axis.dial_setpoint, axis.moving()), (2.0, 10.0, false));
    axis.permit(Permission::Go, 9.0);
    axis.tick(13.0);
    assert_eq!((axis.dial_position, axis.moving()), (10.0, false));
}

#[test]
fn stop_by_spmg_drops_the_setpoint_and_refuses_a_jog() {
    let mut axis = axis();
    axis.set_user(10.0, 0.0).unwrap();
    axis.permit(Permission::Stop, 1.0);
    axis.permit(Permission::Go, 2.0);
    assert_eq!((axis.dial_position, axis.moving()), (2.0, false));
    axis.permit(Permission::Stop, 2.0);
    assert_eq!(axis.jog(true, true, 3.0), Err(Refused::Held));
}

#[test]
fn move_allows_one_motion_and_then_pauses() {
    let mut axis = axis();
    axis.permit(Permission::Move, 0.0);
    axis.set_user(2.0, 0.0).unwrap();
    axis.tick(1.0);
    assert_eq!(axis.permission, Permission::Pause);
}

#[test]
fn a_jog_runs_until_it_is_ended_or_meets_the_limit() {
    let mut axis = axis();
    axis.jog(true, true, 0.0).unwrap();
    assert!(axis.jogging(true) && !axis.jogging(false));
    axis.jog(true, false, 3.0).unwrap();
    axis.tick(3.1);
    assert_eq!((axis.dial_position, axis.dial_setpoint, axis.moving()), (3.0, 3.0, false));
    axis.jog(false, true, 4.0).unwrap();
    axis.tick(99.0);
    assert_eq!((axis.dial_position, axis.moving()), (0.0, false));
}

#[test]
fn home_is_at_dial_zero() {
    let mut axis = axis();
    (axis.dial_position, axis.dial_setpoint) = (3.0, 3.0);
    axis.home(true, 0.0).unwrap();
    axis.tick(1.0);
    assert_eq!((axis.dial_position, axis.homing()), (2.0, true));
    axis.tick(3.0);
    assert_eq!((axis.dial_position, axis.homed, axis.moving()), (0.0, true, false));
}

#[test]
fn the_backlash_is_taken_up_by_a_second_leg() {
    let mut axis = Axis { backlash: 1.0, dial_position: 8.0, ..axis() };
    axis.set_user(4.0, 0.0).unwrap();
    axis.tick(2.5);
    assert_eq!((axis.dial_position, axis.moving()), (3.0, true));
    axis.tick(3.5);
    assert_eq!((axis.dial_position, axis.moving()), (4.0, false));
}

#[test]
fn calibration_moves_the_offset_or_the_dial_but_not_the_motor() {
    let mut axis = Axis { calibrating: true, dial_position: 3.0, ..axis() };
    axis.set_user(100.0, 0.0).unwrap();
    assert_eq!((axis.offset, axis.dial_position, axis.moving()), (97.0, 3.0, false));
    assert_eq!(axis.user_limits(), (97.0, 107.0));
    axis.offset_frozen = true;
    axis.set_user(98.0, 0.0).unwrap();
    assert_eq!((axis.offset, axis.dial_position, axis.moving()), (97.0, 1.0, false));
}

#[test]
fn a_reversed_axis_mirrors_its_coordinates_and_limits() {
    let axis = Axis { reversed: true, offset: 1.0, ..axis() };
    assert_eq!(axis.user(4.0), -3.0);
    assert_eq!(axis.dial(-3.0), 4.0);
    assert_eq!(axis.user_limits(), (-9.0, 1.0));
}
