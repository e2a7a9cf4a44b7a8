# The cmdlets in one line with each other and with PowerShell's own.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "the pipeline$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
        Push-Location -LiteralPath $work
    }

    AfterEach {
        Pop-Location
        Stop-TestProgram
    }

    It 'goes from a process to the restored process in one line' {
        $id = Start-Count "$work/n"
        $restored = Get-Process -Id $id | Invoke-CracCheckpoint -ImagePath ./cr | Restore-CracProcess
        $restored.Id | Should -Be $id
        $restored.ImagePath | Should -Be "$work/cr" -Because 'a relative path starts at the current location'
        Wait-CountingOn "$work/n"
        Find-Gap "$work/n" | Should -BeNullOrEmpty
    }

    It 'gives each of several processes its own image, by a script block' {
        $ids = 1..3 | ForEach-Object { Start-Count "$work/$_" }
        $images = @(Get-Process -Id $ids | Invoke-CracCheckpoint -ImagePath { "./cr/$($_.Id)" })
        $images.Path | Sort-Object | Should -Be ($ids | ForEach-Object { "$work/cr/$_" } | Sort-Object)
        $images.ForEach({ Split-Path $_.Path -Leaf }) | Should -Be $images.RootProcessId
        @(Restore-CracProcess ./cr/*).Id | Sort-Object | Should -Be ($ids | Sort-Object)
        1..3 | ForEach-Object { Wait-CountingOn "$work/$_"; Find-Gap "$work/$_" | Should -BeNullOrEmpty }
    }

    It 'does not let a bad process stop the others' {
        $good = 1..2 | ForEach-Object { Start-Count "$work/$_" }
        $ended = Start-TestProgram true
        Wait-Until { -not (Test-Path "/proc/$ended") } 'the short program is reaped'
        $images = @(Invoke-CracCheckpoint -Id $good[0], $ended, $good[1] -ErrorVariable errors -ErrorAction SilentlyContinue)
        $images.RootProcessId | Should -Be $good
        $errors.Count | Should -Be 1
        $errors[0].FullyQualifiedErrorId | Should -BeLike 'ProcessNotFound,*'
        $errors[0].TargetObject | Should -Be $ended
    }

    It 'does not let a bad image stop the others' {
        $ids = 1..2 | ForEach-Object { Start-TestProgram 'sleep 1000' }
        $images = @(Get-Process -Id $ids | Invoke-CracCheckpoint -ImagePath { "./cr/$($_.Id)" })
        $null = New-Item -ItemType Directory ./cr/none
        $restored = @(Restore-CracProcess $images[0].Path, ./cr/none, $images[1].Path -ErrorVariable errors -ErrorAction SilentlyContinue)
        $restored.Id | Should -Be $images.RootProcessId
        $errors.Count | Should -Be 1
        $errors[0].FullyQualifiedErrorId | Should -BeLike 'NotAnImage,*'
    }

    It 'does not make two images of different processes at one path, not even with -Force' {
        $ids = 1..2 | ForEach-Object { Start-TestProgram 'sleep 1000' }
        $images = @(Get-Process -Id $ids | Invoke-CracCheckpoint -ImagePath ./cr -Force -ErrorVariable errors -ErrorAction SilentlyContinue)
        $images.Count | Should -Be 1
        $errors.Count | Should -Be 1
        $errors[0].FullyQualifiedErrorId | Should -BeLike 'ImageExists,*'
        (Get-CracImage ./cr).RootProcessId | Should -Be $images[0].RootProcessId -Because 'that process exists in its image only'
        Test-Running $errors[0].TargetObject.Id | Should -BeTrue
    }

    It 'binds the rows of a table by their columns Id and ImagePath' {
        $id = Start-TestProgram 'sleep 1000'
        $image = "Id,ImagePath`n$id,./fromcsv" | ConvertFrom-Csv | Invoke-CracCheckpoint
        $image.Path | Should -Be "$work/fromcsv"
    }

    It 'names an image after its process when nothing else is said' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Get-Process -Id $id | Invoke-CracCheckpoint
        $image.Path | Should -Be "$env:PSCRAC_IMAGE_ROOT/sleep-$id"
        ("sleep-$id" | Restore-CracProcess).Id | Should -Be $id
    }

    It 'binds what is restored to Get-Process' {
        $id = Start-TestProgram 'sleep 1000'
        (Invoke-CracCheckpoint $id ./cr | Restore-CracProcess | Get-Process).Id | Should -Be $id
    }

    It 'binds what is restored to Stop-Process' {
        $id = Start-TestProgram 'sleep 1000'
        Invoke-CracCheckpoint $id ./cr | Restore-CracProcess | Stop-Process
        Wait-Until { -not (Test-Running $id) } 'the restored process ends'
    }

    It 'binds what is restored to Wait-Process' {
        $id = Start-TestProgram "bash -c 'until [ -e $work/end ]; do read -t 0.03 <> <(:); done'"
        $restored = Invoke-CracCheckpoint $id ./cr | Restore-CracProcess
        { $restored | Wait-Process -Timeout 1 -ErrorAction Stop } | Should -Throw
        $null = New-Item ./end
        { $restored | Wait-Process -Timeout 20 -ErrorAction Stop } | Should -Not -Throw
    }

    It 'binds what is restored to the next checkpoint, which replaces its image with -Force' {
        $id = Start-Count "$work/n"
        $restored = Invoke-CracCheckpoint $id ./cr | Restore-CracProcess
        $image = $restored | Invoke-CracCheckpoint -Force
        $image.Path | Should -Be "$work/cr"
        $image.RootProcessId | Should -Be $id
    }

    It 'binds the directories of Get-ChildItem' {
        $id = Start-TestProgram 'sleep 1000'
        $null = Invoke-CracCheckpoint $id './cr/with [1] in it'
        (Get-ChildItem ./cr | Get-CracImage).RootProcessId | Should -Be $id
        (Get-ChildItem ./cr | Restore-CracProcess).Id | Should -Be $id
    }

    It 'checkpoints eight processes at once and restores them at once' {
        $ids = 1..8 | ForEach-Object { Start-Count "$work/$_" }
        $module = (Get-Module PSCrac).Path
        $images = @($ids | ForEach-Object -ThrottleLimit 8 -Parallel {
                Import-Module "$(Split-Path $using:module)/PSCrac.psd1"
                Invoke-CracCheckpoint -Id $_ -ImagePath "$using:work/cr/$_" -ErrorAction Stop
            } -ErrorVariable failures)
        $failures | Should -BeNullOrEmpty
        $images.RootProcessId | Sort-Object | Should -Be ($ids | Sort-Object)
        $restored = @($images.Path | ForEach-Object -ThrottleLimit 8 -Parallel {
                Import-Module "$(Split-Path $using:module)/PSCrac.psd1"
                Restore-CracProcess $_ -ErrorAction Stop
            } -ErrorVariable failures)
        $failures | Should -BeNullOrEmpty
        $restored.Id | Sort-Object | Should -Be ($ids | Sort-Object)
        1..8 | ForEach-Object { Wait-CountingOn "$work/$_"; Find-Gap "$work/$_" | Should -BeNullOrEmpty }
    }
}
